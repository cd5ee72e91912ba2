//! Where the output of a pane goes that has a log.

/// Where the output of a pane goes that has a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPipe {
    /// Into its log.
    Ours,
    /// Nowhere: something closed the pipe, or what writes the log ended.
    Closed,
    /// To another program, which is left alone.
    Taken {
        /// Its process, where that is known.
        pid: Option<u32>,
    },
}

impl LogPipe {
    /// Why nothing is written into the log, for people; none if something is.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Ours => None,
            Self::Closed => Some("its log has ended: something closed the pipe of its pane".to_owned()),
            Self::Taken { pid } => {
                let by = pid.map_or("another program".to_owned(), |pid| format!("process {pid}"));
                Some(format!("its log has ended: {by} has the output of its pane, by `tmux pipe-pane`"))
            }
        }
    }
}
