#include "longtake_torch.h"
