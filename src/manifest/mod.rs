//! YAML text in, `Manifest` out, with the place of every value; pure.
