/* SPDX-License-Identifier: MIT */
/*
 * Which names a shared library shows: those that the public headers declare. Everything else is hidden; this file is
 * included before each source (-include), so that the first declaration of a public function, which decides, is here.
 */
#ifndef HIPT_EXPORT_H
#define HIPT_EXPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* what sources ask of the system's headers has to be asked before the first of them */
#endif

#pragma GCC visibility push(default)
#include <hipt/hipt.h>
#include <hipt/mmu.h>
#include <hipt/user.h>
#pragma GCC visibility pop

#endif
