#include "server/app/free_memory.h"

#include <features.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace homolog::app {

void ReturnFreeMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace homolog::app
