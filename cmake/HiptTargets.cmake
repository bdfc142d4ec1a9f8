# SPDX-License-Identifier: MIT
# How every target of this project is compiled.

set(HIPT_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wvla)

# Language, warnings and check level of a target. The level is not PUBLIC: it is no part of the library's interface.
# Coverage is of the code, not of its assertions, whose other branch is a bug: there every level is 0, and what else
# depends on it (lib/map/touch.h) is as without coverage.
function(hipt_compile target check)
    if(HIPT_COVERAGE)
        if(check GREATER_EQUAL 2)
            target_compile_definitions(${target} PRIVATE HIPTI_TOUCH_EXACT=1)
        endif()
        set(check 0)
    endif()
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    target_compile_options(${target} PRIVATE ${HIPT_WARNINGS} $<$<BOOL:${HIPT_WERROR}>:-Werror>)
    target_compile_definitions(${target} PRIVATE HIPT_CHECK=${check})
endfunction()

# The sources below a folder, relative patterns; new files are found by the next build.
function(hipt_sources variable folder)
    list(TRANSFORM ARGN PREPEND ${folder}/ OUTPUT_VARIABLE patterns)
    file(GLOB found CONFIGURE_DEPENDS ${patterns})
    list(SORT found)
    set(${variable} ${found} PARENT_SCOPE)
endfunction()

# Splits a list of sources into those that define main() and the others.
function(hipt_split_programs programs others)
    set(with)
    set(without)
    foreach(source IN LISTS ARGN)
        file(STRINGS ${source} found REGEX "^int main\\(")
        if(found)
            list(APPEND with ${source})
        else()
            list(APPEND without ${source})
        endif()
    endforeach()
    set(${programs} ${with} PARENT_SCOPE)
    set(${others} ${without} PARENT_SCOPE)
endfunction()
