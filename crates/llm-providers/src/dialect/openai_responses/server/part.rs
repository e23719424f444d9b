//! The parts of messages and of tool results.

use llm_types::chat::{Audio, Citation, File, Image, Media, Opaque, Part, Refusal, Text};
use llm_types::{Dialect, Result, Str};

use super::super::wire::{
    self, InputAudio, InputFile, InputImage, OutputText, Parts, RefusalPart, Sound, TextPart,
};
use crate::dialect::path::Path;

/// All parts of a content: a string is one text.
pub(super) fn parts(content: Option<Parts<'_>>, path: &Path<'_>) -> Result<Vec<Part>> {
    let mut out = Vec::new();
    match content {
        None => {}
        Some(Parts::Text(text)) if text.0.is_empty() => {}
        Some(Parts::Text(text)) => out.push(Part::text(text.0)),
        Some(Parts::List(list)) => {
            for (index, part) in list.into_iter().enumerate() {
                self::part(part, &path.index(index), &mut out)?;
            }
        }
    }
    Ok(out)
}

fn part(part: wire::Part<'_>, path: &Path<'_>, out: &mut Vec<Part>) -> Result<()> {
    let missing = |name: &str| path.key(name).error("is missing: the part's type promises it");
    match part {
        wire::Part::InputText(TextPart { kind: _, text, extra })
        | wire::Part::ReasoningText(TextPart { kind: _, text, extra }) => {
            let text = text.ok_or_else(|| missing("text"))?.0.into_owned();
            out.push(Part::Text(Text { text, extra: extra.to_extra(), ..Text::default() }));
        }
        wire::Part::OutputText(OutputText { kind: _, text, annotations, logprobs: _, extra }) => {
            let text = text.ok_or_else(|| missing("text"))?.0.into_owned();
            let mut extra = extra.to_extra();
            // Our own word about the answer's sources, sent back with it.
            extra.remove("provider_specific_fields");
            out.push(Part::Text(Text { text, extra, ..Text::default() }));
            let sources = annotations.unwrap_or_default().into_iter();
            out.extend(sources.map(|json| Part::Citation(citation(json))));
        }
        wire::Part::Refusal(RefusalPart { kind: _, refusal, extra: _ }) => {
            let text = refusal.ok_or_else(|| missing("refusal"))?.0.into_owned();
            out.push(Part::Refusal(Refusal { text }));
        }
        wire::Part::InputImage(InputImage { kind: _, image_url, file_id, detail, extra }) => {
            let media = match (image_url, file_id) {
                (Some(url), _) => Media::from_url(url.as_str()),
                (None, Some(id)) => Media::FileId(id.into_string()),
                (None, None) => return Err(missing("image_url")),
            };
            let detail = detail.map(Str::into_string).filter(|detail| detail != "auto");
            out.push(Part::Image(Image { detail, extra: extra.to_extra(), ..Image::new(media) }));
        }
        wire::Part::InputFile(file) => out.push(Part::File(self::file(file, path)?)),
        wire::Part::InputAudio(InputAudio { kind: _, input_audio, extra }) => {
            let Sound { data, format, extra: _ } = input_audio.ok_or_else(|| missing("input_audio"))?;
            let data = data.ok_or_else(|| missing("input_audio.data"))?.into_string();
            out.push(Part::Audio(Audio {
                media: Some(Media::Base64 { media_type: String::new(), data }),
                format: format.map(Str::into_string),
                extra: extra.to_extra(),
                ..Audio::default()
            }));
        }
        wire::Part::Other(kind, json) => out.push(Part::Opaque(Opaque {
            dialect: Dialect::OpenaiResponses,
            kind: kind.into_string(),
            json: json.0.into_owned(),
        })),
    }
    Ok(())
}

fn citation(json: wire::Raw<'_>) -> Citation {
    Citation { native: Some((Dialect::OpenaiResponses, json.0.into_owned())), ..Citation::default() }
}

fn file(file: InputFile<'_>, path: &Path<'_>) -> Result<File> {
    let InputFile { kind: _, file_id, file_url, file_data, filename, extra } = file;
    let media = match (file_data, file_url, file_id) {
        (Some(data), ..) if data.as_str().starts_with("data:") => Media::from_url(data.as_str()),
        (Some(data), ..) => Media::Base64 { media_type: String::new(), data: data.into_string() },
        (None, Some(url), _) => Media::from_url(url.as_str()),
        (None, None, Some(id)) => Media::FileId(id.into_string()),
        (None, None, None) => {
            let what = "has neither `file_data` nor `file_url` nor `file_id`: say where the file is";
            return Err(path.error(what));
        }
    };
    Ok(File {
        media,
        filename: filename.map(Str::into_string),
        media_type: None,
        cache: None,
        extra: extra.to_extra(),
    })
}
