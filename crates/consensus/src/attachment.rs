//! Rules of single attachments.

pub mod attenuation;
