//! A sync fails, the process ends, the machine does not: what the system still shows of a file may not be on the
//! disk, and the next sync does not write it. Opened again, worked on and then cut off from power, the
//! store holds what was acknowledged.

use super::crash::{Cut, recovered, work_until_cut};
use super::model::{Chain, Model, nothing, perform, plan};
use super::*;
use crate::sim::{Call, Fault, SimDisk};

/// Works until something fails; what was acknowledged and what was begun.
fn work_until_error(disk: &SimDisk, options: &Options, model: Model, rng: &mut SimRng) -> Cut {
    let mut cut = Cut { disk: disk.clone(), acked: model, begun: None };
    let Ok((mut engine, _)) = Engine::open(disk.clone(), options.clone(), &mut Chain::default())
    else {
        return cut;
    };
    for _ in 0..60 {
        let (plan, after) = plan(&cut.acked, options.undo_horizon, rng);
        let Ok(mut batch) = engine.batch() else { return cut };
        if perform(&mut batch, &cut.acked, &plan).is_err() {
            return cut;
        }
        if rng.below(6) == 0 {
            continue;
        }
        cut.begun = Some(after.clone());
        match batch.commit(&[]) {
            Ok(_) => (cut.acked, cut.begun) = (after, None),
            Err(_) => return cut,
        }
        let aux = || Chain::of(&cut.acked).aux();
        if (engine.checkpoint_due() || rng.below(10) == 0)
            && engine.checkpoint(aux(), nothing()).is_err()
        {
            return cut;
        }
    }
    let _ = engine.close(Chain::of(&cut.acked).aux(), nothing());
    cut
}

#[test]
fn what_a_failed_sync_forgot_is_written_again() {
    let (mut failed, mut images) = (0, 0);
    for seed in 0..times(600, 2) {
        let mut rng = SimRng::new(seed ^ 0xfa11);
        let options = tiny(&mut rng);
        let disk = SimDisk::new(seed);
        let mut model = Model::default();
        let most = [3, 20, 150][rng.below(3) as usize];
        // More than once, now and then while opening.
        for _ in 0..1 + rng.below(3) {
            let nth = disk.calls(Call::Sync) + rng.below(most);
            disk.fail(Call::Sync, nth, Fault::Io);
            let cut = work_until_error(&disk, &options, model, &mut rng);
            failed += u64::from(disk.calls(Call::Sync) > nth);
            disk.heal();
            let what = |what: String| format!("{what}: seed {seed} {options:?}");
            let found = recovered(&disk, &options, &cut).map_err(what);
            model = found.unwrap_or_else(|error| panic!("opened again: {error}"));
            if rng.below(3) == 0 {
                let now = Cut { disk: disk.clone(), acked: model.clone(), begun: None };
                let found = recovered(&disk.crash_image(seed), &options, &now).map_err(what);
                found.unwrap_or_else(|error| panic!("power cut at once: {error}"));
                images += 1;
            }
        }
        let steps = [30, 300, 3000][rng.below(3) as usize];
        let cut = work_until_cut(disk.clone(), &options, model, seed, rng.below(steps));
        for image in 0..6 {
            let image = disk.crash_image(rng.next_u64() ^ image);
            images += 1;
            if let Err(error) = recovered(&image, &options, &cut) {
                panic!("{error}: seed {seed} {options:?}");
            }
        }
    }
    eprintln!("{failed} syncs failed, {images} images opened, 0 bad");
    assert!(cfg!(miri) || failed > 100);
}
