//! What a peer can do wrong on the wire, and how much that matters.

use mvs_primitives::encode::DecodeError;

use super::codec::{Command, MAX_FRAME_PAYLOAD};

/// What to do about an offence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Drop the message, keep the peer.
    Ignore,
    /// Close the connection; the peer may come back.
    Disconnect,
    /// Close the connection and refuse the address for a while.
    Ban,
}

/// Bytes or messages that the protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The first four bytes belong to another network, or to no network (p2p.md 3, item 1).
    #[error("frame starts with {found:02x?}, not {expected:02x?}")]
    Magic {
        /// What arrived.
        found: [u8; 4],
        /// The bytes of this network.
        expected: [u8; 4],
    },
    /// The command is not ASCII padded with zeros.
    #[error("command bytes {0:02x?} are not zero-padded text")]
    CommandText([u8; 12]),
    /// More payload announced than this command can have.
    #[error("{command} announces {len} bytes, at most {max} are possible")]
    Length {
        /// The command.
        command: Command,
        /// Announced length in bytes.
        len: u32,
        /// Largest length in bytes.
        max: u32,
    },
    /// The checksum is not that of the payload (p2p.md 3, item 2).
    #[error("{command} has checksum {found:02x?}, its payload {expected:02x?}")]
    Checksum {
        /// The command.
        command: Command,
        /// What the header says.
        found: [u8; 4],
        /// What the payload has.
        expected: [u8; 4],
    },
    /// The payload is not what the command promises.
    #[error("{command}: {source}")]
    Payload {
        /// The command.
        command: Command,
        /// What is wrong.
        source: DecodeError,
    },
    /// A list is longer than the command allows.
    #[error("{command} carries {count} items, at most {max} are allowed")]
    TooMany {
        /// The command.
        command: Command,
        /// How many arrived.
        count: usize,
        /// How many may.
        max: usize,
    },
    /// A command that is not part of the protocol.
    #[error("unknown command {0}")]
    UnknownCommand(Command),
}

impl WireError {
    /// Every code that [`WireError::code`] can give.
    pub const CODES: [&'static str; 7] = [
        "p2p.magic",
        "p2p.command_text",
        "p2p.length",
        "p2p.checksum",
        "p2p.payload",
        "p2p.too_many",
        "p2p.unknown_command",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "p2p.magic",
            Self::CommandText(_) => "p2p.command_text",
            Self::Length { .. } => "p2p.length",
            Self::Checksum { .. } => "p2p.checksum",
            Self::Payload { .. } => "p2p.payload",
            Self::TooMany { .. } => "p2p.too_many",
            Self::UnknownCommand(_) => "p2p.unknown_command",
        }
    }

    /// Returns what to do about it.
    ///
    /// The first node bans for a wrong magic. Here that only closes the connection: a port scanner or
    /// a node of the twin network behind the same router must not take honest peers with it. A length
    /// that no command has, or a list longer than any program sends, is no accident.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Magic { .. }
            | Self::CommandText(_)
            | Self::Checksum { .. }
            | Self::Payload { .. } => Severity::Disconnect,
            Self::Length { len, .. } if *len <= MAX_FRAME_PAYLOAD => Severity::Disconnect,
            Self::Length { .. } | Self::TooMany { .. } => Severity::Ban,
            Self::UnknownCommand(_) => Severity::Ignore,
        }
    }
}
