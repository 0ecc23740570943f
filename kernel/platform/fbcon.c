/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Text on a framebuffer. A cell is 8 x 16 pixels: the 5 x 7 dots of a glyph, each two pixels high. */
#include "kernel/platform/fbcon.h"

#include "kernel/mm/pagetable.h"

#define CELL_WIDTH 8U
#define CELL_HEIGHT 16U
#define GLYPH_ROWS 7U
#define INK 0x00c8c8c8U

/* Printable ASCII. A glyph is seven bytes, the top row first; bit 4 of each is the leftmost of five dots. */
static const uint64_t glyphs['~' - ' ' + 1] = {
    0x00000000000000, 0x04040404040004, 0x0a0a0a00000000, 0x0a0a1f0a1f0a0a, 0x040f140e051e04, /* space ! " # $ */
    0x19190204081313, 0x0c12140815120d, 0x04040800000000, 0x02040808080402, 0x08040202020408, /* % & ' ( ) */
    0x0004150e150400, 0x0004041f040400, 0x000000000c0408, 0x0000001f000000, 0x00000000000c0c, /* * + , - . */
    0x01010204081010, 0x0e11131519110e, 0x040c040404040e, 0x0e11010608101f, 0x0e11010601110e, /* / 0 1 2 3 */
    0x02060a121f0202, 0x1f101e0101110e, 0x0e10101e11110e, 0x1f010204040808, 0x0e11110e11110e, /* 4 5 6 7 8 */
    0x0e11110f01010e, 0x000c0c000c0c00, 0x000c0c000c0408, 0x02040810080402, 0x00001f001f0000, /* 9 : ; < = */
    0x08040201020408, 0x0e110102040004, 0x0e11171517100f, 0x0e11111f111111, 0x1e11111e11111e, /* > ? @ A B */
    0x0e11101010110e, 0x1c12111111121c, 0x1f10101e10101f, 0x1f10101e101010, 0x0e11101711110f, /* C D E F G */
    0x1111111f111111, 0x0e04040404040e, 0x0702020202120c, 0x11121418141211, 0x1010101010101f, /* H I J K L */
    0x111b1515111111, 0x11191915131311, 0x0e11111111110e, 0x1e11111e101010, 0x0e11111115120d, /* M N O P Q */
    0x1e11111e141211, 0x0f10100e01011e, 0x1f040404040404, 0x1111111111110e, 0x111111110a0a04, /* R S T U V */
    0x11111115151b11, 0x11110a040a1111, 0x11110a0a040404, 0x1f01020408101f, 0x0e08080808080e, /* W X Y Z [ */
    0x10100804020101, 0x0e02020202020e, 0x040a1100000000, 0x0000000000001f, 0x08040000000000, /* \ ] ^ _ ` */
    0x00000e010f110f, 0x10101e1111111e, 0x00000f1010100f, 0x01010f1111110f, 0x00000e111f100f, /* a b c d e */
    0x0608081e080808, 0x00000f110f010e, 0x10101e11111111, 0x04000c0404040e, 0x0200060202120c, /* f g h i j */
    0x10101214181412, 0x0c04040404040e, 0x00001a15151515, 0x00001e11111111, 0x00000e1111110e, /* k l m n o */
    0x00001e111e1010, 0x00000f110f0101, 0x00001618101010, 0x00000f100e011e, 0x08081e08080806, /* p q r s t */
    0x0000111111110f, 0x000011110a0a04, 0x0000111515150a, 0x0000110a040a11, 0x000011110f010e, /* u v w x y */
    0x00001f0204081f, 0x06040408040406, 0x04040404040404, 0x0c04040204040c, 0x00000815020000, /* z { | } ~ */
};

static volatile uint32_t *pixels; /* NULL: no framebuffer */
static uint32_t stride, columns, rows, column, row;

bool fbcon_init(const struct boot_framebuffer *fb)
{
    void *va;
    if (fb->width < CELL_WIDTH || fb->height < CELL_HEIGHT || fb->stride < fb->width || fb->width > 16384 || fb->height > 16384 ||
        fb->stride > 32768 || fb->size / 4 < (uint64_t)fb->stride * fb->height)
        return false;
    if (pagetable_map_mmio(hpa(fb->base), (size_t)fb->stride * fb->height * 4, &va) != STATUS_OK)
        return false;
    stride = fb->stride;
    columns = fb->width / CELL_WIDTH;
    rows = fb->height / CELL_HEIGHT;
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
