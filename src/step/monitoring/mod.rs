//! Monitoring: notice when the world moves away from the training data.
