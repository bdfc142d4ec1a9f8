# SPDX-License-Identifier: MIT
# Instrumentation that must cover every object of the build, ours and the tests': sanitizers, fuzzer feedback, coverage.

if(HIPT_SANITIZE)
    add_compile_options(-fsanitize=${HIPT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${HIPT_SANITIZE})
endif()

if(HIPT_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "HIPT_FUZZ needs clang (libFuzzer); the compiler is ${CMAKE_C_COMPILER_ID}")
    endif()
    # Feedback in all code; fuzz/ alone links libFuzzer's main.
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()

# Source-based coverage with MC/DC, for tools/coverage. Counters of threads add up, and no bit of a bitmap is lost.
if(HIPT_COVERAGE)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang" OR CMAKE_C_COMPILER_VERSION VERSION_LESS 19)
        message(FATAL_ERROR "HIPT_COVERAGE needs clang 19 (MC/DC); the compiler is ${CMAKE_C_COMPILER_ID} "
            "${CMAKE_C_COMPILER_VERSION}")
    endif()
    add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc -fprofile-update=atomic)
    add_link_options(-fprofile-instr-generate)
endif()
