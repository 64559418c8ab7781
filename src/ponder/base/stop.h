// Ctrl-C and SIGTERM: loops ask stop_requested() between steps, commit and leave with Error(kStopped).
#pragma once

namespace ponder::base {

void hold_stop_signals();     // a signal that comes before the handler is there waits for it
void install_stop_handler();  // first signal asks, a second one ends the process at once
bool stop_requested();
void request_stop();  // as a signal would; for tests
void clear_stop();    // for tests

}  // namespace ponder::base
