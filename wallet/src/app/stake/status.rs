//! `stake status`

use serde_json::json;

use crate::app::amount;
use crate::app::home::Home;
use crate::app::tell;

pub(super) async fn status(home: &Home, address: Option<&str>) -> anyhow::Result<()> {
    let address = match address {
        // Reads no keystore: anybody may ask about any address.
        Some(text) => home.show(&home.address(text)?),
        None => home.show(&home.key(None)?.address()),
    };
    let status = home.link()?.stake_status(&address).await?;
    if home.is_json {
        let mut answer = serde_json::to_value(&status)?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("address".to_owned(), json!(address));
        }
        tell::answer(true, &answer)?;
        return Ok(());
    }
    let deposits: Vec<_> = status
        .deposits
        .iter()
        .map(|deposit| {
            json!({
                "value": amount::show(deposit.value),
                "entitles from": deposit.first,
                "to": deposit.last,
                "output": format!("{}:{}", deposit.txid, deposit.index),
            })
        })
        .collect();
    let mut answer = json!({
        "address": address,
        "height": status.height,
        "synced": status.is_synced,
        "stake blocks from height": status.era_height,
        "next block may be one": status.is_open,
        "difficulty": status.bits,
        "entitled": status.is_entitled,
        "deposits": deposits,
        "network weight": status.network_weight,
    });
    if let (Some(members), Some(coins)) = (answer.as_object_mut(), &status.coins) {
        let coins = json!({
            "may be staked": format!("{} in {}", amount::show(coins.mature_value), coins.mature),
            "weight": coins.weight,
            "too young": format!("{} in {}", amount::show(coins.immature_value), coins.immature),
            "too small": format!("{} in {}", amount::show(coins.small_value), coins.small),
        });
        members.insert("coins".to_owned(), coins);
    }
    if let (Some(members), Some(secs)) = (answer.as_object_mut(), status.expected_secs) {
        members.insert("seconds to a block, on the average".to_owned(), json!(secs));
    }
    tell::answer(false, &answer)?;
    if status.coins.is_none() {
        tell::note("The node keeps no index (--index), so nothing is known of the coins.");
    }
    if !status.is_entitled {
        let needs = &status.needs;
        tell::note(&format!(
            "No deposit entitles this address: lock {} ETP or more for {} blocks or more \
             (mvs-wallet stake deposit); it counts {} blocks later.",
            amount::show(needs.deposit_value),
            needs.deposit_lock,
            needs.deposit_age,
        ));
    }
    Ok(())
}
