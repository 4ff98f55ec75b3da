//! What the command line and the server ask, one file for each subject.
