# One folder, one library: antiphon_layer(NAME SOURCES... HEADERS... PUBLIC libs PRIVATE libs [INTERNAL]).
# Files are relative to the layer's folder; headers are installed under include/<path from the root>.
# An INTERNAL layer is part of our program alone and not installed. A library that a consumer's link
# needs is named plainly, and found by antiphonConfig.cmake.in; one of headers alone is wrapped in
# BUILD_INTERFACE.

add_library(antiphon_warnings INTERFACE)
target_compile_options(antiphon_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual $<$<BOOL:${ANTIPHON_WERROR}>:-Werror>)

function(antiphon_layer name)
  cmake_parse_arguments(ARG "INTERNAL" "" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
  add_library(antiphon_${name} STATIC ${ARG_SOURCES})
  add_library(antiphon::${name} ALIAS antiphon_${name})
  set_target_properties(antiphon_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(antiphon_${name} PUBLIC cxx_std_20)
  set_target_properties(antiphon_${name} PROPERTIES CXX_EXTENSIONS OFF VERIFY_INTERFACE_HEADER_SETS ON)
  target_include_directories(antiphon_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(antiphon_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE}
    $<BUILD_INTERFACE:antiphon_warnings>)
  if(ARG_HEADERS)
    target_sources(antiphon_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
      FILES ${ARG_HEADERS})
  endif()
  if(NOT ARG_INTERNAL)
    install(TARGETS antiphon_${name} EXPORT antiphon FILE_SET HEADERS)
  endif()
endfunction()
