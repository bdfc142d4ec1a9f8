# SPDX-License-Identifier: MIT
# What `cmake --install` puts where, for find_package(hipt) and for pkg-config, and the Debian packages that cpack makes
# of it. Two libraries: hipt, the core, and hipt-user, the user-space port with the CPUs that have modelled caches.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The sources of @ARGN once more, as a shared library that shows the public headers' names only, with a soname that
# changes with what it offers: with the minor version below 1.0.
function(hipt_add_shared target name)
    add_library(${target} SHARED ${ARGN})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/lib
        PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    hipt_compile(${target} ${HIPT_CHECK})
    target_compile_options(${target} PRIVATE -include ${PROJECT_SOURCE_DIR}/cmake/hipt_export.h)
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} C_VISIBILITY_PRESET hidden
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endfunction()

get_target_property(core_sources hipt SOURCES)
hipt_add_shared(hipt_shared hipt ${core_sources})
set(installed hipt hipt_shared hipt_headers)
set(HIPT_INSTALLS_USER OFF)
set_target_properties(hipt_shared PROPERTIES EXPORT_NAME hipt)
set_target_properties(hipt PROPERTIES EXPORT_NAME hipt_static)

if(TARGET hipt_user)
    find_package(Threads REQUIRED)
    set(HIPT_INSTALLS_USER ON)
    get_target_property(user_sources hipt_user SOURCES)
    get_target_property(mmu_sources hipt_mmu SOURCES)
    list(TRANSFORM mmu_sources PREPEND ${PROJECT_SOURCE_DIR}/lib/)
    hipt_add_shared(hipt_user_shared hipt-user ${user_sources} ${mmu_sources})
    target_link_libraries(hipt_user_shared PUBLIC hipt_shared
        PRIVATE PkgConfig::HIPT_URCU PkgConfig::HIPT_CK PkgConfig::HIPT_NUMA Threads::Threads)
    add_library(hipt_user_archive STATIC $<TARGET_OBJECTS:hipt_user> $<TARGET_OBJECTS:hipt_mmu>)
    target_link_libraries(hipt_user_archive PUBLIC hipt
        PRIVATE PkgConfig::HIPT_URCU PkgConfig::HIPT_CK PkgConfig::HIPT_NUMA Threads::Threads)
    set_target_properties(hipt_user_archive PROPERTIES OUTPUT_NAME hipt-user EXPORT_NAME user_static)
    set_target_properties(hipt_user_shared PROPERTIES EXPORT_NAME user)
    list(APPEND installed hipt_user_shared hipt_user_archive)
endif()

install(TARGETS ${installed} EXPORT hiptTargets
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
    ARCHIVE COMPONENT development
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/hipt TYPE INCLUDE COMPONENT development FILES_MATCHING PATTERN "*.h")
if(TARGET hipt_tool)
    install(TARGETS hipt_tool RUNTIME COMPONENT tools)
endif()
if(TARGET hipt_port_check_user)
    install(TARGETS hipt_port_check_user RUNTIME COMPONENT tools)
endif()
install(DIRECTORY tools/port-check DESTINATION ${CMAKE_INSTALL_DATADIR}/hipt COMPONENT development
    FILES_MATCHING PATTERN "*.[ch]")
install(FILES README.md CHANGELOG.md LICENSE docs/porting.md TYPE DOC COMPONENT development)

# Manual pages, of the headers and of what the commands say of themselves.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB public_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/hipt/*.h)
set(page_commands)
set(pages_of)
foreach(command hipt_tool hipt_port_check_user)
    if(TARGET ${command} AND NOT CMAKE_CROSSCOMPILING)
        list(APPEND page_commands --command $<TARGET_FILE:${command}>)
        list(APPEND pages_of ${command})
    endif()
endforeach()
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/man/made
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${PROJECT_BINARY_DIR}/man
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/make-docs ${PROJECT_BINARY_DIR}/man ${page_commands}
    COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/man/made
    DEPENDS ${public_headers} ${PROJECT_SOURCE_DIR}/tools/make-docs ${PROJECT_SOURCE_DIR}/tools/lint/csource.py ${pages_of}
    VERBATIM)
add_custom_target(hipt_pages ALL DEPENDS ${PROJECT_BINARY_DIR}/man/made)
install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man3 ${PROJECT_BINARY_DIR}/man/man7 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT development)
if(pages_of)
    install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT tools)
endif()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/hipt)
install(EXPORT hiptTargets NAMESPACE hipt:: DESTINATION ${package_folder} COMPONENT development)
configure_package_config_file(cmake/hiptConfig.cmake.in hiptConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(hiptConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hiptConfig.cmake ${PROJECT_BINARY_DIR}/hiptConfigVersion.cmake
    DESTINATION ${package_folder} COMPONENT development)
set(HIPT_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}") # then the tree may be installed, or moved, anywhere
    file(RELATIVE_PATH HIPT_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
    set(HIPT_PC_PREFIX "\${pcfiledir}/${HIPT_PC_PREFIX}")
endif()
foreach(name hipt hipt-user)
    configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
    if(name STREQUAL "hipt" OR HIPT_INSTALLS_USER)
        install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
            COMPONENT development)
    endif()
endforeach()

# --- Debian packages: libhipt0.1, libhipt-dev, hipt-tools
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR hipt)
set(CPACK_PACKAGE_CONTACT "hipt <hipt@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(soname ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libhipt${soname})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "A lock-free hashed inverted page table: shared libraries")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libhipt-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libhipt${soname} (= ${PROJECT_VERSION}), liburcu-dev, libck-dev, libnuma-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "A lock-free hashed inverted page table: headers, archives, cmake and pkg-config files")
if(TARGET hipt_tool)
    list(APPEND CPACK_COMPONENTS_ALL tools)
    set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME hipt-tools)
    set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
    set(CPACK_COMPONENT_TOOLS_DESCRIPTION "A lock-free hashed inverted page table: capture and replay of page mappings, check of a port")
endif()
include(CPack)
