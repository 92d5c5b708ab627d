//! Arguments, logging, dispatch, exit codes.
