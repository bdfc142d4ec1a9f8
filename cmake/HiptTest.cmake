# SPDX-License-Identifier: MIT
# hipt_add_test(name source...): a Criterion binary test_<name>, run by ctest as <name>, labelled with the folder of its
# first source, and `threads` if a source includes a thread header or is named after threads: the tests that a
# ThreadSanitizer build runs. A binary that runs no test fails.
function(hipt_add_test name)
    add_executable(test_${name} ${ARGN})
    target_link_libraries(test_${name} PRIVATE hipt_test)
    # Criterion looks symbols up in the executable, and under ThreadSanitizer it must find our rand_r there.
    target_link_options(test_${name} PRIVATE -rdynamic)
    hipt_compile(test_${name} 3)
    if(NOT TARGET unit_tests) # all of them, and nothing else
        add_custom_target(unit_tests)
    endif()
    add_dependencies(unit_tests test_${name})

    add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/support/run_criterion
        ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:test_${name}>)
    list(GET ARGN 0 first)
    cmake_path(GET first PARENT_PATH folder)
    cmake_path(GET folder FILENAME labels)
    foreach(source IN LISTS ARGN)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
        file(STRINGS ${source} threads REGEX "^#include [<\"].*threads?\\.h[>\"]")
        if(threads OR source MATCHES "threads[^/]*$")
            list(APPEND labels threads)
        endif()
    endforeach()
    list(REMOVE_DUPLICATES labels)
    set_tests_properties(${name} PROPERTIES LABELS "${labels}" ENVIRONMENT HIPT_SOURCE_DIR=${PROJECT_SOURCE_DIR})
endfunction()
