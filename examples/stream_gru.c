/* Streams audio-like input through a GRU: frames of 8 samples of a tone that slides upwards.

    lstmgen build gru --target c --only step -o .
    lstmgen weights params.npz -o weights.h       numpy.savez("params.npz", **params), H = 16, D = 8
    cc -std=c11 -O2 -Wall -Wextra -Werror stream_gru.c -lm -o stream_gru */
#include <math.h>
#include <stdio.h>

#include "gru_c.c"
#include "weights.h"

enum { FRAMES = 100, D = 8, H = 16 };

int main(void)
{
    static unsigned char work[1 << 11];  // no heap: what a step works in
    const gru_f32_sizes sizes = {.B = 1, .H = H, .D = D};
    const gru_f32_params params = {weights_W_z, weights_W_r, weights_W};
    float x[D], h[H] = {0};
    if (gru_f32_step_bytes(&sizes) > (int64_t)sizeof work)
        return 1;
    for (int frame = 0; frame < FRAMES; frame++) {
        for (int k = 0; k < D; k++) {
            const float t = (float)(frame * D + k) / (FRAMES * D);
            x[k] = sinf(100 * t * (1 + t));
        }
        gru_f32_step(&sizes, &params, &(gru_f32_inputs){x}, &(gru_f32_state){h},
                     &(gru_f32_new_state){h}, work);
        for (int k = 0; k < H; k++)
            printf("%.8g%c", (double)h[k], k + 1 < H ? ' ' : '\n');
    }
    return 0;
}
