//! A file that goes into the folder.

use http::Response;
use llm_providers::bulk;
use llm_types::{ApiError, ErrorKind, Result};

use crate::body::ClientBody;
use crate::files::Visit;
use crate::files::form::Begun;
use crate::files::place::{Desk, Place};
use crate::files::shelf::Told;
use crate::respond::Failed;

impl Visit {
    /// Keeps a file of a batch.
    ///
    /// # Errors
    /// 400 for one that is none, 413 where there is no room.
    pub(in crate::files) async fn keep(
        &self,
        desk: &Desk,
        place: &Place,
        begun: Begun,
    ) -> Result<Response<ClientBody>, Failed> {
        let mut incoming = self.shelf()?.begin().await?;
        let mut lines = begun.bare(desk.clone(), place.clone())?;
        while let Some(bytes) = lines.next().await? {
            incoming.write(&bytes).await?;
        }
        let (name, purpose, wanted) = lines.told()?;
        let told = Told {
            owner: place.owner.word.to_string(),
            filename: bulk::file_name(&name, place.seal.as_ref()),
            purpose,
            wanted,
        };
        let kept = incoming.keep(told).await?;
        let json = serde_json::to_vec(&kept).map_err(unwritten)?;
        Ok(self.answer(place, bulk::file(json.into(), place.mark.as_deref())?))
    }
}

pub(super) fn unwritten(error: serde_json::Error) -> ApiError {
    ApiError::new(ErrorKind::Internal, "a file cannot be described").with_source(error)
}
