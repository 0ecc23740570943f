/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Text on a framebuffer. A cell is 8 x 16 pixels: the 5 x 7 dots of a glyph, each two pixels high. */
#include "kernel/platform/fbcon.h"

#include "kernel/mm/pagetable.h"

#define CELL_WIDTH 8U
#define CELL_HEIGHT 16U
#define GLYPH_ROWS 7U
#define INK 0x00c8c8c8U

static volatile uint32_t *pixels; /* NULL: no framebuffer */
static const uint64_t *glyphs;
static uint32_t stride, columns, rows, column, row;

bool fbcon_init(const struct boot_framebuffer *fb)
{
    void *va;
    if (fb->width == 0 || pagetable_map_mmio(hpa(fb->base), (size_t)fb->stride * fb->height * 4, &va) != STATUS_OK)
        return false;
    stride = fb->stride;
    columns = fb->width / CELL_WIDTH;
    rows = fb->height / CELL_HEIGHT;
    glyphs = fb->glyphs;
    pixels = va;
    for (size_t i = 0; i < (size_t)stride * fb->height; i++)
        pixels[i] = 0;
    return true;
}

static void draw(char c)
{
    uint64_t glyph = glyphs[c - ' '];
    volatile uint32_t *cell = pixels + (size_t)row * CELL_HEIGHT * stride + (size_t)column * CELL_WIDTH;
    for (unsigned y = 0; y < CELL_HEIGHT; y++) {
        uint64_t dots = y / 2 < GLYPH_ROWS ? glyph >> 8 * (GLYPH_ROWS - 1 - y / 2) : 0;
        for (unsigned x = 0; x < CELL_WIDTH; x++) /* 1 pixel of margin, 5 dots */
            cell[(size_t)y * stride + x] = x >= 1 && x <= 5 && (dots >> (5 - x) & 1) != 0 ? INK : 0;
    }
}

static void new_line(void)
{
    row = (row + 1) % rows;
    for (column = 0; column < columns; column++)
        draw(' ');
    column = 0;
}

void fbcon_write(const char *text, size_t len)
{
    for (size_t i = 0; pixels != NULL && i < len; i++) {
        if (text[i] == '\n' || column == columns)
            new_line();
        if (text[i] == '\r')
            column = 0;
        if (text[i] < ' ' || text[i] > '~')
            continue;
        draw(text[i]);
        column++;
    }
}
