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

if(HIPT_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
