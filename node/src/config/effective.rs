//! Puts the sources together.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Config, ConfigError, ENV_PREFIX, FIELDS, Field, SECTIONS};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// What the operator gave.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file, if there is one, and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// Flags: key of the setting and value.
    pub flags: Vec<(&'static str, String)>,
}

/// The configuration with the origin of each value.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The values.
    pub config: Config,
    /// In the order of [`FIELDS`].
    origins: Vec<Origin>,
}

impl Effective {
    /// Puts the sources together: flag before environment before file before default.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing wrong.
    pub fn new(source: &Source) -> Result<Self, ConfigError> {
        let mut this =
            Self { config: Config::default(), origins: vec![Origin::Default; FIELDS.len()] };
        if let Some((path, text)) = &source.file {
            this.read_file(path, text)?;
        }
        this.read_variables(&source.variables)?;
        for (key, value) in &source.flags {
            let Some(field) = FIELDS.iter().find(|field| field.key == *key) else { continue };
            let origin = Origin::Flag(format!("--{}", field.flag()));
            this.set(field, origin, |config| (field.set_text)(config, value))?;
        }
        Ok(this)
    }

    fn set(
        &mut self,
        field: &Field,
        origin: Origin,
        set: impl FnOnce(&mut Config) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        set(&mut self.config).map_err(|message| ConfigError::Value {
            origin: origin.to_string(),
            field: field.path(),
            message,
            expected: field.expected,
        })?;
        let place = FIELDS.iter().position(|other| other.key == field.key);
        if let Some(place) = place.and_then(|place| self.origins.get_mut(place)) {
            *place = origin;
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let unknown = |key: String| ConfigError::UnknownKey {
            path: path.to_owned(),
            nearest: nearest(&key, FIELDS.iter().map(Field::path)),
            key,
        };
        for (section, values) in &table {
            let Value::Table(values) = values else { return Err(unknown(section.clone())) };
            for (key, value) in values {
                let field = FIELDS.iter().find(|f| f.section == section && f.key == key);
                let Some(field) = field else { return Err(unknown(format!("{section}.{key}"))) };
                let origin = Origin::File(path.to_owned());
                self.set(field, origin, |config| (field.set_toml)(config, value))?;
            }
            if values.is_empty() && !SECTIONS.iter().any(|known| known.name == section) {
                return Err(unknown(section.clone()));
            }
        }
        Ok(())
    }

    fn read_variables(&mut self, variables: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)) {
            let Some(field) = FIELDS.iter().find(|field| field.variable() == *name) else {
                let nearest = nearest(name, FIELDS.iter().map(Field::variable));
                return Err(ConfigError::UnknownVariable { name: name.clone(), nearest });
            };
            let origin = Origin::Variable(name.clone());
            self.set(field, origin, |config| (field.set_text)(config, value))?;
        }
        Ok(())
    }

    /// Returns where a setting comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        let place = FIELDS.iter().position(|field| field.key == key);
        place.and_then(|place| self.origins.get(place)).unwrap_or(&Origin::Default)
    }

    /// Writes all settings as a file with comments: meaning, names, and where the value comes from.
    /// The file gives the same configuration when it is read.
    pub fn to_toml(&self) -> String {
        let mut out = String::from("# mvs-node: every setting, with its present value.\n");
        for section in SECTIONS {
            let _ = write!(out, "\n#{}\n[{}]\n", section.doc, section.name);
            for field in FIELDS.iter().filter(|field| field.section == section.name) {
                out.push('\n');
                for line in field.doc.lines() {
                    let _ = writeln!(out, "#{line}");
                }
                let _ = writeln!(out, "# --{}, {}", field.flag(), field.variable());
                let value = (field.show)(&self.config);
                let origin = self.origin(field.key);
                let _ = match value.is_empty() {
                    true => writeln!(out, "#{} =    # {origin}", field.key),
                    false => writeln!(out, "{} = {value}    # {origin}", field.key),
                };
            }
        }
        out
    }
}

/// The candidate that looks most like a name.
fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> String {
    let tail = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    candidates
        .max_by(|a, b| {
            let likeness = |candidate: &String| {
                let whole = strsim::normalized_levenshtein(name, candidate);
                // A right name in the wrong section is near.
                whole.max(strsim::normalized_levenshtein(&tail(name), &tail(candidate)) - 0.01)
            };
            likeness(a).total_cmp(&likeness(b))
        })
        .unwrap_or_default()
}
