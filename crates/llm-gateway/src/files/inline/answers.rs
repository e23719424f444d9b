//! What files hold: lines of the folder, or answers, written as they come.

use http::Method;
use llm_providers::bulk::inline::{Inline, output_of};
use llm_providers::codec::batch::BatchPath;
use llm_providers::transport::ByteStream;
use llm_types::Result;

use super::show::not_yet;
use crate::files::place::Place;
use crate::files::{Sending, Visit};

impl Visit {
    /// What a file holds, and how long it is, where that is known.
    pub(in crate::files) async fn kept_content(
        &self,
        (place, inline): (&Place, &Inline),
        id: &str,
    ) -> Result<(ByteStream, Option<u64>)> {
        let Some((batch, which)) = output_of(id) else {
            let (stream, length) = self.shelf()?.content(id).await?;
            return Ok((stream, Some(length)));
        };
        let nothing = || Sending::Bare(inline.headers());
        let path = inline.path(BatchPath::One(batch));
        let standing = inline.standing(&self.object(place, (Method::GET, &path), nothing(), None).await?)?;
        if !standing.is_over || !standing.has_answers {
            return Err(not_yet(id));
        }
        let recalls = match &self.snapshot.shelf {
            Some(shelf) => shelf.recalls(batch).await?,
            None => Default::default(),
        };
        let path = inline.path(BatchPath::Answers(batch));
        let (_, upstream) = self.call(place, (Method::GET, &path), nothing(), None).await?;
        Ok((inline.answers(which, recalls, standing.created).of(upstream), None))
    }
}
