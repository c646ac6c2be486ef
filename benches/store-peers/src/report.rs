//! The figures of a run and their lines.

use std::time::Duration;

use crate::stores::Kind;

/// Whether more or less of a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

/// Figures so far, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
}

#[derive(Debug)]
struct Figure {
    name: String,
    unit: &'static str,
    better: Better,
    values: Vec<(Kind, f64)>,
}

impl Report {
    /// Adds a store's value of a figure.
    pub fn add(&mut self, name: &str, unit: &'static str, better: Better, kind: Kind, value: f64) {
        match self.figures.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.values.push((kind, value)),
            None => {
                let values = vec![(kind, value)];
                self.figures.push(Figure { name: name.to_owned(), unit, better, values });
            }
        }
    }

    /// Prints all lines. Ours is compared with the best durable peer, and each other store with ours.
    pub fn print(&self) {
        for figure in &self.figures {
            let value_of = |kind| figure.values.iter().find(|(k, _)| *k == kind).map(|(_, v)| *v);
            let ours = value_of(Kind::Ours);
            for &(kind, value) in &figure.values {
                let reference = if kind == Kind::Ours { figure.best_peer() } else { ours };
                line(&format!("{}_{}", figure.name, kind.name()), value, figure.unit, reference);
            }
            // The map writes nothing and has no files: nothing to compare with there.
            let ram = value_of(Kind::Ram).filter(|ram| *ram > 0.0);
            if let (Some(ours), Some(ram)) = (ours, ram) {
                let name = format!("{}_ours_against_ram", figure.name);
                line(&name, ours, figure.unit, Some(ram));
            }
        }
    }
}

impl Report {
    /// Returns what a store's figure is, if it has been added.
    pub fn value(&self, name: &str, kind: Kind) -> Option<f64> {
        let figure = self.figures.iter().find(|figure| figure.name == name)?;
        figure.values.iter().find(|(of, _)| *of == kind).map(|(_, value)| *value)
    }
}

impl Figure {
    fn best_peer(&self) -> Option<f64> {
        let peers = self.values.iter().filter(|(kind, _)| *kind != Kind::Ours && kind.is_durable());
        let values = peers.map(|(_, value)| *value);
        match self.better {
            Better::More => values.max_by(f64::total_cmp),
            Better::Less => values.min_by(f64::total_cmp),
        }
    }
}

/// Prints one line.
pub fn line(name: &str, value: f64, unit: &str, reference: Option<f64>) {
    let digits = |number: f64| if number.abs() >= 1_000.0 { 0 } else { 4 };
    match reference {
        Some(reference) => println!(
            "bench={name} value={value:.*} unit={unit} reference={reference:.*} ratio={:.3}",
            digits(value),
            digits(reference),
            value / reference
        ),
        None => {
            println!("bench={name} value={value:.*} unit={unit} reference=- ratio=-", digits(value))
        }
    }
}

/// Returns milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
