// SIGINT and SIGTERM as a question that is asked between steps.
//
// Thread-safety: StopSignal may be called anywhere; CatchStopSignals once, before other threads.
#ifndef HOMOLOG_SERVER_TRAINING_STOP_SIGNAL_H_
#define HOMOLOG_SERVER_TRAINING_STOP_SIGNAL_H_

namespace homolog::training {

// From now on the first SIGINT or SIGTERM is remembered; a second one ends the process.
void CatchStopSignals();

// The signal that came, or 0.
int StopSignal();

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_STOP_SIGNAL_H_
