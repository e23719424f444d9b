//! What files hold: lines of the folder, or answers, written as they come.

use futures_util::StreamExt as _;
use futures_util::stream;
use http::Method;
use llm_providers::bulk::Lines;
use llm_providers::bulk::inline::{Answers, Inline, output_of};
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
        Ok((written(upstream, inline.answers(which, recalls, standing.created)), None))
    }
}

/// Lines of a provider, written anew as they come.
fn written(upstream: ByteStream, answers: Answers) -> ByteStream {
    let state = Some((upstream, Lines::default(), answers));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut upstream, mut lines, mut answers) = state?;
        loop {
            let over = match upstream.next().await {
                Some(Ok(chunk)) => {
                    lines.feed(&chunk);
                    false
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None => true,
            };
            match rewritten(&mut lines, &mut answers, over) {
                Ok(out) if out.is_empty() && !over => {}
                Ok(out) => return Some((Ok(out.into()), (!over).then_some((upstream, lines, answers)))),
                Err(error) => return Some((Err(error), None)),
            }
        }
    }))
}

fn rewritten(lines: &mut Lines, answers: &mut Answers, over: bool) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    while let Some((_, line)) = lines.next_line()?.or_else(|| if over { lines.last_line() } else { None }) {
        if let Some(line) = answers.line(&line)? {
            out.extend_from_slice(&line);
        }
    }
    Ok(out)
}
