// HOMOLOG_FOR_EVERY_WIDTH before a function: compiled for each vector width of x86, the widest that
// the processor has chosen when the process starts.
#ifndef HOMOLOG_SERVER_ENGINE_VECTOR_WIDTHS_H_
#define HOMOLOG_SERVER_ENGINE_VECTOR_WIDTHS_H_

// By what the processor can do: the names of processors would match these alone. The dynamic linker
// chooses among the clones before a sanitizer is ready for it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HOMOLOG_FOR_EVERY_WIDTH \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HOMOLOG_FOR_EVERY_WIDTH
#endif

#endif  // HOMOLOG_SERVER_ENGINE_VECTOR_WIDTHS_H_
