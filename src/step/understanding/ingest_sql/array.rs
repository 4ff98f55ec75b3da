//! Postgres' arrays in their binary form, as JSON.

use serde_json::Value;

/// Reads the values of an array with `read`; arrays of several dimensions are lists of lists.
pub(super) fn list(bytes: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<Value, String>) -> Result<Value, String> {
    let mut rest = bytes;
    let dimensions = word(&mut rest)?;
    let (_has_nulls, _type) = (word(&mut rest)?, word(&mut rest)?);
    if !(0..=6).contains(&dimensions) {
        return Err(format!("an array of {dimensions} dimensions"));
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        let (length, _first_index) = (word(&mut rest)?, word(&mut rest)?);
        lengths.push(usize::try_from(length).map_err(|_| short())?);
    }
    if lengths.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    level(&mut rest, &lengths, read)
}

fn level(
    rest: &mut &[u8],
    lengths: &[usize],
    read: &mut dyn FnMut(&[u8]) -> Result<Value, String>,
) -> Result<Value, String> {
    let mut values = Vec::new();
    for _ in 0..lengths[0] {
        values.push(if lengths.len() > 1 { level(rest, &lengths[1..], read)? } else { element(rest, read)? });
    }
    Ok(Value::Array(values))
}

fn element(rest: &mut &[u8], read: &mut dyn FnMut(&[u8]) -> Result<Value, String>) -> Result<Value, String> {
    let Ok(length) = usize::try_from(word(rest)?) else { return Ok(Value::Null) };
    let (bytes, behind) = rest.split_at_checked(length).ok_or_else(short)?;
    *rest = behind;
    read(bytes)
}

fn word(rest: &mut &[u8]) -> Result<i32, String> {
    let (bytes, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    *rest = behind;
    Ok(i32::from_be_bytes(*bytes))
}

fn short() -> String {
    "an array that is cut off".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[i32]) -> String {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut read = |bytes: &[u8]| Ok(Value::from(i32::from_be_bytes(bytes.try_into().unwrap())));
        list(&bytes, &mut read).map_or_else(|error| error, |list| list.to_string())
    }

    #[test]
    fn arrays_are_lists_of_lists() {
        assert_eq!(check(&[0, 0, 23]), "[]");
        assert_eq!(check(&[1, 1, 23, 3, 1, 4, 7, -1, 4, 8]), "[7,null,8]");
        assert_eq!(check(&[2, 0, 23, 2, 1, 1, 1, 4, 7, 4, 8]), "[[7],[8]]");
        assert_eq!(check(&[1, 0, 23, 2, 1, 4, 7]), "an array that is cut off");
        assert_eq!(check(&[7, 0, 23]), "an array of 7 dimensions");
    }
}
