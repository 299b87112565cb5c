#include "mock_connection.h"

namespace homolog::client {

MockConnection::MockConnection() = default;
MockConnection::~MockConnection() = default;

}  // namespace homolog::client
