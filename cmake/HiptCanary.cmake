# SPDX-License-Identifier: MIT
# Planted bugs that a sanitizer build must report and stop at; without them a build that lost its instrumentation, or
# that only prints and goes on, would look clean. Each canary prints "survived" if nothing stopped it.

function(hipt_add_canary name source)
    add_executable(canary_${name} ${source})
    target_link_libraries(canary_${name} PRIVATE hipt_test)
    hipt_compile(canary_${name} 3)
endfunction()

function(hipt_expect_report test report)
    add_test(NAME ${test} COMMAND ${ARGN})
    set_tests_properties(${test} PROPERTIES
        LABELS "canary;threads" PASS_REGULAR_EXPRESSION "${report}" FAIL_REGULAR_EXPRESSION "survived")
endfunction()

if(HIPT_SANITIZE MATCHES "thread")
    hipt_add_canary(race support/canary_race.c)
    hipt_expect_report(canary_race "ThreadSanitizer: data race" canary_race)
    # Reclamation through the port: reported without a grace period, clean with one.
    hipt_add_canary(grace port/canary_grace.c)
    foreach(library urcu ck)
        hipt_expect_report(canary_grace_${library} "ThreadSanitizer: data race" canary_grace ${library} planted)
        add_test(NAME canary_grace_${library}_right COMMAND canary_grace ${library} right)
        set_tests_properties(canary_grace_${library}_right PROPERTIES LABELS "canary;threads")
    endforeach()
endif()
if(HIPT_SANITIZE MATCHES "address")
    hipt_add_canary(use_after_free support/canary_use_after_free.c)
    hipt_expect_report(canary_use_after_free "AddressSanitizer: heap-use-after-free" canary_use_after_free)
    hipt_add_canary(leak support/canary_leak.c)
    hipt_expect_report(canary_leak "LeakSanitizer: detected memory leaks" canary_leak)
endif()
if(HIPT_SANITIZE MATCHES "undefined")
    hipt_add_canary(overflow support/canary_overflow.c)
    hipt_expect_report(canary_overflow "runtime error: signed integer overflow" canary_overflow)
endif()
