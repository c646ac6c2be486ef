//! The pool and the templates, over chains in memory.

mod accept;
mod cases;
mod check;
mod support;
mod template;
mod update;
