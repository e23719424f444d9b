//! `llmctl files`, `llmctl batches`: what a provider keeps, straight or through a gateway.

use std::path::Path;

use futures_util::StreamExt as _;
use llm_providers::{MadeBatch, NewBatch, RequestCounts, StoredBatch, StoredFile};
use llm_types::Upload;

use crate::args::{BatchesCommand, FilesCommand, KeeperArgs, PageArgs};
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::Output;
use crate::print::remarks;

/// Does something with files.
pub(crate) async fn files(command: &FilesCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        FilesCommand::Upload { file, purpose, keeper } => {
            let caller = caller(keeper)?;
            let (client, provider) = caller.keeper();
            let file = input::stream(file).await.map_err(Failure::Usage)?;
            show_files(&[client.upload_stream(provider, file, purpose).await?], true, out)?;
        }
        FilesCommand::List(PageArgs { limit, keeper }) => {
            let caller = caller(keeper)?;
            let (client, provider) = caller.keeper();
            show_files(&client.files(provider, most(*limit)).await?, false, out)?;
        }
        _ => return file(command, out).await,
    }
    Ok(Exit::Ok)
}

fn most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Does something with one file.
async fn file(command: &FilesCommand, out: &mut Output) -> Result<Exit, Failure> {
    let (FilesCommand::Get(args) | FilesCommand::Content { args, .. } | FilesCommand::Delete(args)) = command
    else {
        return Ok(Exit::Ok);
    };
    let caller = caller(&args.keeper)?;
    let (client, provider) = caller.keeper();
    match command {
        FilesCommand::Content { input, .. } => {
            let requests = input.as_deref().map(requests).transpose()?;
            let mut content = client.batch_answers(provider, &args.id, requests.as_ref()).await?;
            while let Some(chunk) = content.next().await {
                out.out.write_all(&chunk?)?;
            }
        }
        FilesCommand::Delete(_) => client.delete_file(provider, &args.id).await?,
        _ => show_files(&[client.file(provider, &args.id).await?], true, out)?,
    }
    Ok(Exit::Ok)
}

/// Does something with batches.
pub(crate) async fn batches(command: &BatchesCommand, out: &mut Output) -> Result<Exit, Failure> {
    let keeper = match command {
        BatchesCommand::Create { keeper, .. } | BatchesCommand::List(PageArgs { keeper, .. }) => keeper,
        BatchesCommand::Get(args) | BatchesCommand::Cancel(args) => &args.keeper,
    };
    let caller = caller(keeper)?;
    let (client, provider) = caller.keeper();
    let found = match command {
        BatchesCommand::Create { file, input, endpoint, model, keeper: _ } => {
            let id = file.as_deref().unwrap_or_default();
            let batch = NewBatch { model: model.clone(), ..NewBatch::new(id, endpoint.as_str()) };
            match input {
                Some(path) => {
                    made(client.create_batch_of(provider, &requests(path)?, &batch).await?, path, out)?
                }
                None => client.create_batch(provider, &batch).await?,
            }
        }
        BatchesCommand::Get(args) => client.batch(provider, &args.id).await?,
        BatchesCommand::Cancel(args) => client.cancel_batch(provider, &args.id).await?,
        BatchesCommand::List(PageArgs { limit, .. }) => {
            let all = client.batches(provider, most(*limit)).await?;
            show_batches(&all, false, out)?;
            return Ok(Exit::Ok);
        }
    };
    show_batches(&[found], true, out)?;
    Ok(Exit::Ok)
}

/// The requests of a batch.
fn requests(path: &Path) -> Result<Upload, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Upload::new(name, input::media(path).map_err(Failure::Usage)?))
}

/// Says what is to know of a batch that was made of requests at hand.
fn made(made: MadeBatch, path: &Path, out: &mut Output) -> Result<StoredBatch, Failure> {
    let MadeBatch { batch, changes, needs_requests } = made;
    for remark in remarks(None, None, &changes) {
        writeln!(out.err, "{remark}")?;
    }
    if needs_requests {
        let shown = path.display();
        writeln!(
            out.err,
            "its answers need these requests: keep them for `files content ID --input {shown}`"
        )?;
    }
    Ok(batch)
}

fn caller(keeper: &KeeperArgs) -> Result<Caller, Failure> {
    let KeeperArgs { provider, via } = keeper;
    Caller::of(via, &format!("{provider}/*"))
}

fn show_files(files: &[StoredFile], single: bool, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return match files.first().filter(|_| single) {
            Some(file) => out.json(file),
            None => out.json(&files),
        };
    }
    let row = |file: &StoredFile| {
        let StoredFile { id, bytes, created_at: _, filename, purpose } = file.clone();
        [id, filename, purpose, bytes.to_string()]
    };
    out.table(["ID", "NAME", "PURPOSE", "BYTES"], files.iter().map(row).collect())
}

fn show_batches(batches: &[StoredBatch], single: bool, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return match batches.first().filter(|_| single) {
            Some(batch) => out.json(batch),
            None => out.json(&batches),
        };
    }
    let row = |batch: &StoredBatch| {
        let RequestCounts { total, completed, failed } = batch.request_counts.unwrap_or_default();
        let output = batch.output_file_id.clone().unwrap_or_default();
        [batch.id.clone(), batch.status.clone(), format!("{completed}/{total}, {failed} failed"), output]
    };
    out.table(["ID", "STATUS", "ANSWERED", "OUTPUT"], batches.iter().map(row).collect())
}
