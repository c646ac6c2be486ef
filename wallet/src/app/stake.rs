//! `stake`: deposits, coins, and stake blocks.

mod change;
mod run;
mod status;

use super::args::{StakeCommand, StakeOrder};
use super::home::Home;

pub(super) async fn run(home: &Home, order: StakeOrder) -> anyhow::Result<()> {
    let address = order.address.as_deref();
    match order.command {
        StakeCommand::Status => status::status(home, address).await,
        StakeCommand::Deposit { amount, blocks, pay } => {
            change::deposit(home, address, &amount, blocks, &pay).await
        }
        StakeCommand::Split { into, coin, pay } => {
            change::split(home, address, into, coin.as_deref(), &pay).await
        }
        StakeCommand::Combine { most, all, pay } => {
            change::combine(home, address, most, all, &pay).await
        }
        StakeCommand::Run(order) => run::run(home, address, &order).await,
    }
}
