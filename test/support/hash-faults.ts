/** First words of a slot's bytes that hash-fault-worker.ts obeys. */

/** The worker dies, and does not when it meets the same slot again. */
export const DIE_ONCE = 0x01_d1_e0_01;
/** The worker dies each time. */
export const DIE = 0x01_d1_e0_02;
/** In the last slot of the ring: no further worker can start. */
export const NO_START = 0x01_d1_e0_04;
/** The worker sets the second word to 1 and waits until the third is not 0. */
export const HOLD = 0x01_d1_e0_03;
