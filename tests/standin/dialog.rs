//! The dialogs, word for word as they were captured. Says what an answer means, and does nothing about it.

/// Which dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Without numbers, `No, exit` selected: Claude Code 2.1.329
    Trust,
    /// Numbered, `Yes` selected: Claude Code 2.1.197
    TrustNumbered,
    /// Without numbers, `No, exit` selected: Claude Code 2.1.329
    Bypass,
    /// Numbered, `No, exit` selected: Claude Code 2.1.197
    BypassNumbered,
    /// Numbered, `No` selected
    ApiKey,
    /// A menu that no program has
    Unknown,
    /// The login screen; it stays until the end
    Login,
    /// A question that comes between, see `--permission`
    #[value(skip)]
    Permission,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It goes on.
    Continues,
    /// It does not do what it asked for.
    Stops,
    /// It ends with status 1.
    Exits,
    /// Nothing: only a person gets further.
    Stays,
}

/// A dialog with the row that is selected.
pub(crate) struct Dialog {
    pub(crate) kind: Kind,
    pub(crate) selected: usize,
}

/// How a dialog looks.
pub(crate) struct Look {
    /// How far all of it is indented.
    pub(crate) indent: usize,
    /// What stands above the rows, by paragraph; `{cwd}` is the folder.
    pub(crate) text: &'static str,
    pub(crate) rows: &'static [&'static str],
    pub(crate) numbered: bool,
    pub(crate) hint: &'static str,
}

const CONFIRM: &str = "Enter to confirm · Esc to cancel";

const TRUST: &str = "Accessing workspace:\n\n{cwd}\n\nQuick safety check: Is this a project you created or one you trust? (Like your own code, \
    a well-known open source project, or work from your team). If not, take a moment to review what's in this folder first.\n\n\
    Claude Code'll be able to read, edit, and execute files here.\n\nSecurity guide";

const BYPASS: &str = "WARNING: Claude Code running in Bypass Permissions mode\n\nIn Bypass Permissions mode, Claude Code will not ask for your \
    approval before running potentially dangerous commands.\nThis mode should only be used in a sandboxed container/VM that has restricted \
    internet access and can easily be restored if damaged.\n\nBy proceeding, you accept all responsibility for actions taken while running in \
    Bypass Permissions mode.\n\nhttps://code.claude.com/docs/en/security";

const API_KEY: &str = "Detected a custom API key in your environment\n\nANTHROPIC_API_KEY: sk-ant-...00000000000000000000\n\n\
    Do you want to use this API key?";

const LOGIN: &str = "Claude Code can be used with your Claude subscription or billed based on API usage through your Console account.\n\n\
    Select login method:";

impl Dialog {
    pub(crate) fn new(kind: Kind) -> Self {
        let selected = match kind {
            Kind::ApiKey => 1,
            Kind::Trust | Kind::TrustNumbered | Kind::Bypass | Kind::BypassNumbered | Kind::Unknown | Kind::Login | Kind::Permission => 0,
        };
        Self { kind, selected }
    }

    /// The name in the log: that of the rule that knows it, if there is one.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Trust | Kind::TrustNumbered => "trust",
            Kind::Bypass | Kind::BypassNumbered => "bypass",
            Kind::ApiKey => "api-key",
            Kind::Unknown => "unknown",
            Kind::Login => "login",
            Kind::Permission => "permission",
        }
    }

    pub(crate) fn look(&self) -> Look {
        let look = |indent, text, rows| Look { indent, text, rows, numbered: true, hint: CONFIRM };
        match self.kind {
            Kind::Trust => Look { numbered: false, ..look(1, TRUST, &["No, exit", "Yes, I trust this folder"]) },
            Kind::TrustNumbered => look(1, TRUST, &["Yes, I trust this folder", "No, exit"]),
            Kind::Bypass => Look { numbered: false, ..look(2, BYPASS, &["No, exit", "Yes, I accept"]) },
            Kind::BypassNumbered => look(2, BYPASS, &["No, exit", "Yes, I accept"]),
            Kind::ApiKey => look(2, API_KEY, &["Yes", "No (recommended)"]),
            Kind::Unknown => {
                Look { numbered: false, ..look(2, "Which ink should the margins have?", &["Cyan ink", "Sepia ink", "No ink"]) }
            }
            Kind::Login => {
                let rows =
                    &["Claude account with subscription · Pro, Max, Team, or Enterprise", "Anthropic Console account · API usage billing"];
                Look { hint: "", ..look(1, LOGIN, rows) }
            }
            Kind::Permission => {
                let rows = &["Yes", "Yes, and don't ask again for: make *", "No"];
                let text = "Bash command\n\n  make clean\n  Remove what was built\n\nDo you want to proceed?";
                Look { hint: "Esc to cancel · Tab to amend", ..look(1, text, rows) }
            }
        }
    }

    /// What follows when the selected row is confirmed.
    pub(crate) fn confirmed(&self) -> Effect {
        match self.kind {
            Kind::Login => Effect::Stays,
            Kind::Unknown | Kind::ApiKey => Effect::Continues,
            Kind::Permission if self.label() == "No" => Effect::Stops,
            Kind::Permission => Effect::Continues,
            Kind::Trust | Kind::TrustNumbered | Kind::Bypass | Kind::BypassNumbered if self.label() == "No, exit" => Effect::Exits,
            Kind::Trust | Kind::TrustNumbered | Kind::Bypass | Kind::BypassNumbered => Effect::Continues,
        }
    }

    /// What follows when it is left with Escape or Ctrl-C.
    pub(crate) fn left(&self) -> Effect {
        match self.kind {
            Kind::Login => Effect::Stays,
            Kind::Unknown | Kind::ApiKey => Effect::Continues,
            Kind::Permission => Effect::Stops,
            Kind::Trust | Kind::TrustNumbered | Kind::Bypass | Kind::BypassNumbered => Effect::Exits,
        }
    }

    /// The label of the selected row.
    pub(crate) fn label(&self) -> &'static str {
        self.look().rows[self.selected]
    }
}
