//! Live models: loads endpoints, scores rows, logs requests.
