/* SPDX-License-Identifier: MIT */
#include <hipt/hipt.h>

#include "base/simd.h"

const char *hipt_version(void)
{
    return "hipt " HIPT_VERSION_TEXT ", compare: " HIPTI_SIMD;
}
