//! Pictures as the client wants them: their bytes, where a provider only says where they lie.

use llm_providers::codec::Memo;
use llm_types::{Changes, MadeImage, Output};
use tokio::time::timeout_at;

use super::Dispatch;
use crate::intake::BodyShare;

/// The member that says which is wanted.
const ASKED: &str = "response_format";

impl Dispatch {
    /// Puts the bytes of pictures in the place of their addresses, where the client asked for bytes. What cannot be read
    /// stays an address, and that is told: it was made, and is paid. What they take of the gateway's memory is held
    /// until the answer is written.
    pub(super) async fn bytes_of(
        &self,
        output: &mut Output,
        memo: &Memo,
        changes: &mut Changes,
    ) -> Option<BodyShare> {
        let Output::Images(images) = output else { return None };
        if memo.media.as_ref().is_none_or(|media| !media.bytes) {
            return None;
        }
        let mut far: Vec<&mut MadeImage> =
            images.data.iter_mut().filter(|image| image.base64.is_none() && image.url.is_some()).collect();
        if far.is_empty() {
            return None;
        }
        let Some(fetch) = &self.snapshot.fetch else {
            changes.altered(ASKED, "the provider says where pictures lie, and `fetch` is off here: `url`");
            return None;
        };
        let addresses = far.iter().filter_map(|image| image.url.clone()).collect();
        let share = self.gateway.memory().share();
        let Ok(read) = timeout_at(self.deadline.into(), fetch.pictures(addresses, &share)).await else {
            changes.altered(ASKED, "there was no time left to read pictures from where they lie: `url`");
            return None;
        };
        for (image, read) in far.iter_mut().zip(read) {
            match read {
                Ok(base64) => (image.base64, image.url) = (Some(base64), None),
                Err(why) => {
                    changes.altered(
                        ASKED,
                        format!("a picture is not read from where it lies, for {why}: `url`"),
                    );
                }
            }
        }
        Some(share)
    }
}
