//! Judges a block that is still to be sealed or signed.

use std::sync::Arc;

use mvs_primitives::amount::Amount;
use mvs_primitives::block::Block;

use super::body::BlockBody;
use super::check::{BodyRejection, check_unsigned};
use super::connect::connect;
use crate::error::{BlockRuleError, Rejection};
use crate::header::{CheckedHeader, HeaderRejection, Parent, accept_header};
use crate::header_view::HeaderView;
use crate::params::Params;
use crate::state::StateView;

/// Why a block made from a template would be refused.
#[derive(Debug, thiserror::Error)]
pub enum TemplateRejection {
    /// The header.
    #[error(transparent)]
    Header(#[from] HeaderRejection),
    /// The body, by itself.
    #[error(transparent)]
    Body(#[from] BodyRejection),
    /// The block, in the state.
    #[error(transparent)]
    Block(#[from] Rejection<BlockRuleError>),
}

impl TemplateRejection {
    /// Returns the stable code of what is wrong; `fault` for our own failures.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Header(error) => error.code(),
            Self::Body(error) => error.code(),
            Self::Block(Rejection::Rule(rule)) => rule.code(),
            Self::Block(Rejection::Fault(_)) => "fault",
        }
    }
}

/// Asks every rule of a block that its maker can still break: all but the seal of a work block; all
/// but stake, kernel and signature of a stake block; and not the scripts. Returns the sum of the fees.
///
/// `headers` and `state` are those of the chain that ends in `parent`, `now_secs` is our clock. What is
/// judged here cannot be stored: nothing of the stages comes out.
///
/// # Errors
/// The first rule that is broken, or a fault of ours.
pub fn judge_template(
    params: &Params,
    headers: &dyn HeaderView,
    state: &dyn StateView,
    parent: Parent,
    block: Block,
    now_secs: u64,
) -> Result<Amount, TemplateRejection> {
    let unsealed = CheckedHeader::unsealed(block.header.clone());
    let placed = accept_header(params, headers, parent, unsealed, now_secs)?;
    let checked = check_unsigned(params, placed, BlockBody::from(block))?;
    let pending = connect(params, headers, state, Arc::new(checked), |_, _, _| Ok(()))?;
    Ok(pending.fees())
}
