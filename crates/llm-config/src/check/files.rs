//! Checks of `[files]`.

use std::time::Duration;

use super::Check;
use crate::diag::Code;
use crate::place::Path;

/// The shortest time that a file is kept: a batch may take as long.
const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Check<'_> {
    pub(super) fn files(&mut self) {
        let path = Path::default().key("files");
        if self.config.files.keep < SHORTEST {
            self.error(Code::BadValue, &path.key("keep"), "must be at least a day").help =
                Some("a batch may take a day, and its file is read when it is made".to_owned());
        }
    }
}
