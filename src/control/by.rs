//! Who asks.

/// Who asks for something, as it stands in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// A person or the name of a token.
    pub who: String,
    /// The role that allowed it; none for somebody who has the state folder itself.
    pub role: Option<String>,
    /// The address it came from; none for this machine's own command line.
    pub remote: Option<String>,
}

impl By {
    /// Somebody at the command line of the machine that has the state.
    pub fn local() -> By {
        By { who: account(), role: None, remote: None }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.who)
    }
}

/// The name of the account that this process runs under.
fn account() -> String {
    let id = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == id).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sits_at_the_machine_has_the_name_of_their_account() {
        let by = By::local();
        assert!(!by.who.is_empty() && by.role.is_none() && by.remote.is_none(), "{by:?}");
    }
}
