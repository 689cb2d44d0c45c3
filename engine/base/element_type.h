/* Element types of tensors across every C border of ours: plug-ins and the C ABI. Never change. */
#ifndef ANTIPHON_ENGINE_BASE_ELEMENT_TYPE_H_
#define ANTIPHON_ENGINE_BASE_ELEMENT_TYPE_H_

enum {
  ANTIPHON_F32 = 0,
  ANTIPHON_F16 = 1,
  ANTIPHON_I8 = 2,
  ANTIPHON_U8 = 3,
  ANTIPHON_I32 = 4,
  ANTIPHON_I64 = 5,
  ANTIPHON_BOOL = 6
};

#endif
