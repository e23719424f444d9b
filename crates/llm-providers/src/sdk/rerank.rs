//! Ordering documents.

use std::ops::Deref;

use llm_types::{ApiError, Call, Changes, ErrorKind, Op, Output, Ranking, RerankRequest, Result};

use super::client::{Client, REPLY_LIMIT, named};
use crate::codec::DecodeCx;
use crate::transport::collect;
use crate::{dialect, mock};

/// Documents in their order, and what of the request did not reach the provider as it was asked.
#[derive(Debug, Clone)]
pub struct RerankReply {
    /// The order.
    pub ranking: Ranking,
    /// What was dropped or altered.
    pub changes: Changes,
}

impl Deref for RerankReply {
    type Target = Ranking;

    fn deref(&self) -> &Ranking {
        &self.ranking
    }
}

impl Client {
    /// Orders documents by how well they answer a query, e.g. with `cohere/rerank-v3.5`. The answer is cut to `top_n`
    /// and repeats the documents where that is wanted, whether or not the provider does it.
    ///
    /// ```no_run
    /// # async fn run(client: llm_providers::Client) -> llm_types::Result<()> {
    /// use llm_types::RerankRequest;
    /// let request = RerankRequest::new("capital of France", ["Berlin", "Paris"]);
    /// let reply = client.rerank("voyage/rerank-2.5", request).await?;
    /// assert_eq!(reply.results[0].index, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the model is unknown, its provider does not order documents, its key is missing, the provider cannot be
    /// reached or refuses.
    pub async fn rerank(&self, model: &str, request: RerankRequest) -> Result<RerankReply> {
        let target = self.offering(model, Op::Rerank)?;
        let mut call = Call::Rerank(Box::new(request));
        call.set_model(target.model());
        let Some(codec) = dialect::client(target.dialect_for(Op::Rerank, None)) else {
            let ranking = ranking(mock::output(&call)?)?;
            return Ok(RerankReply { ranking, changes: Changes::default() });
        };
        let sent = self.send(codec, &target, &call).await?;
        let body = collect(sent.body, REPLY_LIMIT).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        let output = codec.decode(Op::Rerank, &body, &cx).and_then(ranking);
        let ranking = output.map_err(|error| named(error, &target))?;
        Ok(RerankReply { ranking, changes: sent.changes })
    }
}

fn ranking(output: Output) -> Result<Ranking> {
    match output {
        Output::Rerank(ranking) => Ok(*ranking),
        _ => Err(ApiError::upstream(
            ErrorKind::UpstreamFormat,
            "the provider's answer is no order of documents",
        )),
    }
}
