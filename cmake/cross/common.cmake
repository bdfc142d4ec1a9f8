# SPDX-License-Identifier: MIT
# What the toolchain files of this folder have in common: Debian's cross compiler, an emulator of the machine in user
# space, and a folder with unpacked packages of it (tools/test-cross makes one; HIPT_SYSROOT).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${triple}-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HIPT_SYSROOT)
set(HIPT_SYSROOT "" CACHE PATH "Folder with unpacked packages for the target")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH ${HIPT_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
set(ENV{PKG_CONFIG_LIBDIR} ${HIPT_SYSROOT}/usr/lib/${triple}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${HIPT_SYSROOT})
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${HIPT_SYSROOT}/usr/lib/${triple}")
set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator};-L;/usr/${triple};-E;LD_LIBRARY_PATH=${HIPT_SYSROOT}/usr/lib/${triple})
