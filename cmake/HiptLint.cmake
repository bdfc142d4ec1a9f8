# SPDX-License-Identifier: MIT
# The checks of the sources themselves, as tests labelled `lint`.

find_package(Python3 COMPONENTS Interpreter REQUIRED)

function(hipt_add_lint name)
    add_test(NAME lint_${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(lint_${name} PROPERTIES LABELS lint)
endfunction()

foreach(lint layers contracts orders layout names readme)
    hipt_add_lint(${lint} ${Python3_EXECUTABLE} tools/lint/${lint})
endforeach()
hipt_add_lint(selftest ${Python3_EXECUTABLE} tests/layers/selftest)
hipt_add_lint(headers ${Python3_EXECUTABLE} tests/headers/check)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    hipt_add_lint(freestanding ${Python3_EXECUTABLE} tools/lint/freestanding)
    hipt_add_lint(sizes ${Python3_EXECUTABLE} tools/sizes --check docs/embedding.md)
endif()
