//! What is measured, and what it may cost: data only.

/// One scenario: a request, a load, and the figures taken from it.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) title: &'static str,
    pub(super) request: Request,
    pub(super) load: Load,
    pub(super) rows: &'static [Row],
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// A short chat request, OpenAI on both sides.
    Chat,
    /// The same, streamed as fast as it goes.
    Stream,
    /// The same, one event each [`GAP_MS`].
    Paced,
    /// OpenAI in, Anthropic out. A proxy that can't translate gets the Anthropic request.
    Translated,
    /// 157 kB of conversation.
    LargePrompt,
    /// A short Messages request, Anthropic on both sides.
    Messages,
    /// The short chat request through ten deployments, by latency, with cooldowns and records; against one
    /// deployment without any of it.
    Routed,
    /// The same with a record of every request; against one without records.
    Recorded,
    /// The same with a record of every request; against one deployment without any of it.
    RoutedRecorded,
    /// The short chat request of a key with limits and three budgets, priced and written down in SQLite; against the
    /// same request where nothing is metered.
    Metered,
    /// The same streamed.
    MeteredStream,
    /// The short chat request of the same key, at a gateway whose store has many keys beside it; against one where it is the
    /// only one.
    ManyKeys,
    /// The same streamed, onto an OpenAI upstream. A proxy that can't translate gets OpenAI's request.
    MessagesOnOpenai,
}

/// How it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// That many connections, each busy all the time.
    Connections(usize),
    /// That many requests per second.
    Rate(u32),
}

/// A figure.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) measure: Measure,
    pub(super) target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Measure {
    CpuPerRequest,
    CpuPerEvent,
    Throughput,
    P50,
    P99,
    GapP99,
    GapMax,
    /// Before anything was asked.
    Resident,
    /// After the first answer.
    ResidentUsed,
    StartUp,
    /// Of the slowest.
    Report,
}

/// What is promised.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// At most that many times the bare proxy (for throughput: the bare proxy's over ours).
    Ratio(f64),
    /// At most so many microseconds more than without a proxy, or than what the title says.
    AddedMicros(f64),
    /// At most that, in the measure's own unit.
    AtMost(f64),
    /// For information.
    None,
}

impl Measure {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "CPU per request",
            Self::CpuPerEvent => "CPU per chunk",
            Self::Throughput => "throughput",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::GapP99 => "p99 deviation",
            Self::GapMax => "largest deviation",
            Self::Resident => "resident memory, idle",
            Self::ResidentUsed => "resident memory after the first answer",
            Self::StartUp => "exec to first answer",
            Self::Report => "the slowest report",
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "/s",
            Self::Resident | Self::ResidentUsed => "MB",
            Self::StartUp | Self::Report => "ms",
            _ => "µs",
        }
    }

    /// Whether it can be taken over several turns.
    pub(super) fn is_summed(self) -> bool {
        matches!(self, Self::CpuPerRequest | Self::CpuPerEvent | Self::Throughput)
    }

    /// Whether a larger figure is the better one.
    pub(super) fn more_is_better(self) -> bool {
        self == Self::Throughput
    }
}

/// The gap between two events of a paced stream.
pub(super) const GAP_MS: u64 = 20;
/// The size of the large prompt, in bytes of JSON.
pub(super) const LARGE_PROMPT_BYTES: usize = 157_000;

pub(super) const SCENARIOS: [Scenario; 15] = [
    Scenario {
        title: "chat 1 kB, 32 connections",
        request: Request::Chat,
        load: Load::Connections(32),
        rows: &[
            Row { measure: Measure::CpuPerRequest, target: Target::Ratio(2.0) },
            Row { measure: Measure::Throughput, target: Target::None },
        ],
    },
    Scenario {
        title: "chat 1 kB, 256 connections",
        request: Request::Chat,
        load: Load::Connections(256),
        rows: &[
            Row { measure: Measure::CpuPerRequest, target: Target::Ratio(2.0) },
            Row { measure: Measure::Throughput, target: Target::None },
        ],
    },
    Scenario {
        title: "chat 1 kB over ten deployments, to one without the router's work",
        request: Request::Routed,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerRequest, target: Target::Ratio(1.05) }],
    },
    Scenario {
        title: "chat 1 kB over ten deployments with every request recorded, to one without records",
        request: Request::Recorded,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerRequest, target: Target::AddedMicros(2.0) }],
    },
    Scenario {
        title: "chat 1 kB over ten deployments with every request recorded, to one without the router's work",
        request: Request::RoutedRecorded,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerRequest, target: Target::Ratio(1.05) }],
    },
    Scenario {
        title: "chat 1 kB with key, limits, budgets and usage rows, to one where nothing is metered",
        request: Request::Metered,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerRequest, target: Target::Ratio(1.15) }],
    },
    Scenario {
        title: "streamed chat with key, limits, budgets and usage rows, to one where nothing is metered",
        request: Request::MeteredStream,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerRequest, target: Target::Ratio(1.15) }],
    },
    Scenario {
        title: "chat 1 kB with many keys in the store, to one with a single key",
        request: Request::ManyKeys,
        load: Load::Connections(32),
        rows: &[
            Row { measure: Measure::CpuPerRequest, target: Target::Ratio(1.05) },
            Row { measure: Measure::P99, target: Target::Ratio(1.1) },
            Row { measure: Measure::ResidentUsed, target: Target::AtMost(300.0) },
        ],
    },
    Scenario {
        title: "streamed chat, 32 connections",
        request: Request::Stream,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerEvent, target: Target::Ratio(1.3) }],
    },
    Scenario {
        title: "chat openai to anthropic, 32 connections",
        request: Request::Translated,
        load: Load::Connections(32),
        rows: &[
            Row { measure: Measure::CpuPerRequest, target: Target::Ratio(3.0) },
            Row { measure: Measure::Throughput, target: Target::None },
        ],
    },
    Scenario {
        title: "chat 157 kB prompt, 32 connections",
        request: Request::LargePrompt,
        load: Load::Connections(32),
        rows: &[
            Row { measure: Measure::CpuPerRequest, target: Target::Ratio(2.0) },
            Row { measure: Measure::Throughput, target: Target::None },
        ],
    },
    Scenario {
        title: "messages 1 kB, 32 connections",
        request: Request::Messages,
        load: Load::Connections(32),
        rows: &[
            Row { measure: Measure::CpuPerRequest, target: Target::Ratio(2.0) },
            Row { measure: Measure::Throughput, target: Target::None },
        ],
    },
    Scenario {
        title: "streamed messages to openai, 32 connections",
        request: Request::MessagesOnOpenai,
        load: Load::Connections(32),
        rows: &[Row { measure: Measure::CpuPerEvent, target: Target::Ratio(2.0) }],
    },
    Scenario {
        title: "chat 1 kB, 50 requests/s",
        request: Request::Chat,
        load: Load::Rate(50),
        rows: &[
            Row { measure: Measure::P50, target: Target::Ratio(1.5) },
            Row { measure: Measure::P99, target: Target::None },
        ],
    },
    Scenario {
        title: "gaps in a stream paced at 20 ms",
        request: Request::Paced,
        load: Load::Connections(8),
        rows: &[
            Row { measure: Measure::GapP99, target: Target::AddedMicros(1000.0) },
            Row { measure: Measure::GapMax, target: Target::None },
        ],
    },
];

/// What is taken without load.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) title: &'static str,
    pub(super) rows: &'static [Row],
}

/// Taken from a process that was just started, idle, and with one request answered.
pub(super) const FRESH: Fresh = Fresh {
    title: "fresh process",
    rows: &[
        Row { measure: Measure::Resident, target: Target::AtMost(20.0) },
        Row { measure: Measure::ResidentUsed, target: Target::None },
        Row { measure: Measure::StartUp, target: Target::AtMost(100.0) },
    ],
};

/// Taken from a store with many rows: sums by day, model, provider, team and key.
pub(super) const REPORTS: Fresh = Fresh {
    title: "reports over many usage rows in SQLite",
    rows: &[Row { measure: Measure::Report, target: Target::AtMost(200.0) }],
};

impl Scenario {
    /// Whether the scenario is also run without a proxy: where latency is measured.
    pub(super) fn wants_direct(&self) -> bool {
        matches!(self.load, Load::Rate(_)) || self.request == Request::Paced
    }
}
