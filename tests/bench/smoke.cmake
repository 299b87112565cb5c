# Runs every benchmark that takes sizes on tiny ones. BENCH: the binary; FOLDER: where to write;
# TESTS: the folder tests.
cmake_minimum_required(VERSION 3.25)

# bench(NAME ARGUMENTS...): runs it and sets `rows` to the list that it wrote.
function(bench name)
  set(file ${FOLDER}/${name}.json)
  file(REMOVE ${file})
  file(MAKE_DIRECTORY ${FOLDER})
  execute_process(COMMAND ${BENCH} ${name} ${ARGN} --threads 2 --machine-matrix 128 --json ${file}
                  COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${file} rows)
  set(rows "${rows}" PARENT_SCOPE)
endfunction()

# expect(CONDITION...): as if() takes it.
function(expect)
  if(NOT (${ARGN}))
    message(FATAL_ERROR "expected ${ARGN} of ${rows}")
  endif()
endfunction()

bench(machine --repetitions 1)

set(fields shape precision tokens seconds peer_seconds ratio peak_memory_ratio matrix_rate_share
    max_error)
foreach(shape a b)
  bench(compare --shape ${shape} --layers 2 --neurons 64 --tokens 512 --sequence-length 32)
  foreach(field ${fields})
    string(JSON ${field} GET "${rows}" 0 ${field})
  endforeach()
  expect(tokens EQUAL 512)
  # An error of 0 would mean that one side was compared with itself.
  expect(max_error LESS 1e-4 AND max_error GREATER 0)
endforeach()

bench(forward --layers 2 --neurons 64 --d-model 16 --sequence-length 32 --repetitions 1)

bench(load --layers 2 --neurons 64 --d-model 16 --heads 2 --vocabulary 100 --repetitions 1)
bench(query --neurons 1000 --repetitions 1)
string(JSON neurons GET "${rows}" 0 neurons)
string(JSON all_found GET "${rows}" 2 found)
expect(neurons EQUAL 1000 AND all_found EQUAL 1000)

bench(ablate --layers 3 --neurons 64 --d-model 16 --sequence-length 32 --vocabulary 100
      --repetitions 1)
string(JSON difference GET "${rows}" 0 max_difference)
string(JSON kl GET "${rows}" 0 mean_kl)
# No effect would mean that nothing was ablated.
expect(difference LESS 1e-5 AND kl GREATER 0)

file(COPY_FILE ${TESTS}/golden/tokenizer/small_bpe_tokenizer.json ${FOLDER}/tokenizer.json)
file(WRITE ${FOLDER}/text "Hello world")
bench(tokenize --tokenizer ${FOLDER} --text ${FOLDER}/text --repetitions 1)
string(JSON tokens GET "${rows}" 0 tokens)
expect(tokens EQUAL 5)
