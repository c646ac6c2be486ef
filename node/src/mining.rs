//! Block templates and solved blocks.
