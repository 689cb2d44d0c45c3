// Boost.Asio and Beast's HTTP: the only way to include them (Boost 1.74 as C++20 needs <utility>
// first).
#pragma once

#include <utility>
//
#include <boost/asio.hpp>
#include <boost/beast/http.hpp>
