//! The real disk: files in a folder, mapped. The only module of the crate with `unsafe`.
//!
//! [`MapDisk::open`] gives the folder; files and tables come from it.
