//! Keys and bytes on disk: the log, the index, one commit point, and recovery.
