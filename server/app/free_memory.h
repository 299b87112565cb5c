// Memory that was freed, and that the allocator keeps.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_FREE_MEMORY_H_
#define HOMOLOG_SERVER_APP_FREE_MEMORY_H_

namespace homolog::app {

// Gives the pages that hold nothing back to the system. glibc does so at the end of a heap alone:
// a long-lived number behind the tensors of one computation keeps all of them, and each thread has
// a heap. Takes some milliseconds for each 100 MiB. Nothing where the allocator is another one.
void ReturnFreeMemory();

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_FREE_MEMORY_H_
