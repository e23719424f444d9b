//! What the generations of models take, as data.
//!
//! The format is one, but its models differ in what they accept: a field that one of them wants makes
//! another answer 400. The facts are those of <https://ai.google.dev/gemini-api/docs/models> and of the
//! recordings; a name that no row knows is read by its version number.

use llm_types::glob_matches;

/// What one generation of models takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// Takes a system instruction.
    pub(super) system: bool,
    /// Takes plain JSON Schema; else only the OpenAPI subset.
    pub(super) json_schema: bool,
    /// Takes `frequencyPenalty` and `presencePenalty`.
    pub(super) penalties: bool,
    /// How it is told to think.
    pub(super) thinking: Thinking,
    /// How closely it is told to look at pictures.
    pub(super) resolution: Resolution,
    /// How it calls functions.
    pub(super) calls: Calls,
    /// A user turn must have some text.
    pub(super) needs_text: bool,
}

/// How a model calls functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// Calls have no ids, results are plain, the provider's own tools stand alone.
    Plain,
    /// From Gemini 3: calls have ids and are signed, results may hold pictures, functions and the
    /// provider's own tools go together.
    Signed,
}

/// How closely a model is told to look at pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// It is not.
    None,
    /// Once for the whole request.
    Request,
    /// For each picture.
    Part,
}

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not think.
    None,
    /// By a budget in tokens.
    Budget {
        /// For the effort `minimal`.
        minimal: u32,
        /// The smallest budget: 0 where thinking can be switched off.
        least: u32,
    },
    /// By a level.
    Level {
        /// The lowest level.
        least: &'static str,
    },
}

const BUDGET_FLASH: Thinking = Thinking::Budget { minimal: 1, least: 0 };
const BUDGET_LITE: Thinking = Thinking::Budget { minimal: 512, least: 0 };
const BUDGET_PRO: Thinking = Thinking::Budget { minimal: 128, least: 128 };

const GEMINI_1: Model = Model {
    system: true,
    json_schema: false,
    penalties: true,
    thinking: Thinking::None,
    resolution: Resolution::None,
    calls: Calls::Plain,
    needs_text: true,
};
const GEMINI_1_0: Model = Model { system: false, ..GEMINI_1 };
const GEMMA: Model = Model { system: false, needs_text: false, ..GEMINI_1 };
const GEMINI_2: Model =
    Model { json_schema: true, resolution: Resolution::Request, needs_text: false, ..GEMINI_1 };
const GEMINI_2_5_FLASH: Model = Model { thinking: BUDGET_FLASH, ..GEMINI_2 };
const GEMINI_2_5_LITE: Model = Model { thinking: BUDGET_LITE, ..GEMINI_2 };
const GEMINI_2_5_PRO: Model = Model { thinking: BUDGET_PRO, ..GEMINI_2 };
const GEMINI_3_FLASH: Model = Model {
    penalties: false,
    thinking: Thinking::Level { least: "minimal" },
    resolution: Resolution::Part,
    calls: Calls::Signed,
    ..GEMINI_2
};
const GEMINI_3_PRO: Model = Model { thinking: Thinking::Level { least: "low" }, ..GEMINI_3_FLASH };

/// Names and what they mean; the first that matches counts.
const TABLE: &[(&str, Model)] = &[
    ("gemma*", GEMMA),
    ("gemini-1.0*", GEMINI_1_0),
    ("gemini-pro", GEMINI_1_0),
    ("gemini-pro-vision", GEMINI_1_0),
    ("gemini-1.*", GEMINI_1),
    ("gemini-2.0*", GEMINI_2),
    ("gemini-2.5*-tts*", GEMINI_2),
    ("gemini-2.5*-image*", GEMINI_2),
    ("gemini-2.5-flash-lite*", GEMINI_2_5_LITE),
    ("gemini-2.5-flash*", GEMINI_2_5_FLASH),
    ("gemini-2.5-pro-preview-06-05", Model { penalties: false, ..GEMINI_2_5_PRO }),
    ("gemini-2.5-pro*", GEMINI_2_5_PRO),
    ("gemini-2.5*", GEMINI_2_5_FLASH),
    ("gemini-2*", GEMINI_2),
    ("gemini-robotics-er-1.5*", GEMINI_2_5_FLASH),
    // From here: Gemini 3 and what comes after it, `gemini-flash-latest` included.
    ("gemini-*pro*", GEMINI_3_PRO),
    ("gemini-*", GEMINI_3_FLASH),
];

impl Model {
    /// What the model of this name takes. A name that tells nothing (a tuned model, an endpoint) is
    /// taken for a 2.0 model: no field that only a newer one knows is sent unasked.
    pub(super) fn of(name: &str) -> Self {
        let name = bare(name);
        TABLE.iter().find(|(glob, _)| glob_matches(glob, name)).map_or(GEMINI_2, |(_, model)| *model)
    }

    /// Whether calls have ids and signatures (Gemini 3).
    pub(super) fn signs_calls(self) -> bool {
        self.calls == Calls::Signed
    }
}

/// The name without the collection it stands in: `models/gemini-3-pro` is `gemini-3-pro`.
pub(super) fn bare(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_generation() {
        let check = |name: &str, expect: Model| assert_eq!(Model::of(name), expect, "{name}");
        check("gemini-1.0-pro", GEMINI_1_0);
        check("gemini-1.5-flash", GEMINI_1);
        check("gemini-2.0-flash-lite", GEMINI_2);
        check("gemini-2.5-flash", GEMINI_2_5_FLASH);
        check("models/gemini-2.5-flash-preview-09-2025", GEMINI_2_5_FLASH);
        check("gemini-2.5-flash-lite", GEMINI_2_5_LITE);
        check("gemini-2.5-flash-image", GEMINI_2);
        check("gemini-2.5-pro", GEMINI_2_5_PRO);
        check("gemini-3-flash-preview", GEMINI_3_FLASH);
        check("gemini-3.1-flash-lite-preview", GEMINI_3_FLASH);
        check("gemini-3-pro-preview", GEMINI_3_PRO);
        check("gemini-3.1-pro-preview", GEMINI_3_PRO);
        check("gemini-flash-latest", GEMINI_3_FLASH);
        check("gemma-3-27b-it", GEMMA);
        check("tunedModels/mine-123", GEMINI_2);
        assert!(!Model::of("gemini-2.5-pro-preview-06-05").penalties);
        assert!(Model::of("gemini-2.5-pro-preview-05-06").penalties);
    }
}
