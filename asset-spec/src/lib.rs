//! The attachment standard as a program: decodes an attachment, an output or a transaction and says
//! which clause it breaks.
//!
//! The clauses are written out in `README.md`; [`clause`] lists their codes, [`check`] decides, and
//! [`rules`] holds one file per group of clauses. Only what can be told from the bytes is checked:
//! no clause here needs a chain, a state or a clock, so a good answer means "conforms", not "will be
//! confirmed".

pub mod check;
pub mod clause;
pub mod rules;
pub mod source;
